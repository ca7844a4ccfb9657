"""The real daemon, killed by SIGKILL at each effect point and started again: nothing lost, nothing doubled."""
