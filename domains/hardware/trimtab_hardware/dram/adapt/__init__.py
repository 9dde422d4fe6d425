"""Run-time adaptation: the controller's policies are chosen anew every few hundred requests."""
