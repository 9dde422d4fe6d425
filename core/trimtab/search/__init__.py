"""Ask/tell optimizers over design spaces, and the bridge from control problems."""
