"""Load a frozen model from files on this machine or the hub, and check that it is theirs."""
