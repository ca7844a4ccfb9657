"""The real daemon, killed by SIGKILL at each effect point and started again: nothing is lost or doubled."""
