"""The compiled simulator of plants: memory, dispatch, accounts and the step of many copies."""
