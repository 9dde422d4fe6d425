"""Three tiny domains that exercise every contract: an own kernel, an external process, a design."""
