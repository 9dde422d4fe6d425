"""Grid plug-in: the package is reserved; no domain is registered yet."""
