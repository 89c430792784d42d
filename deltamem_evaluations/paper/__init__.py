"""The paper's numbers, and whether a run of ours reproduces one."""
