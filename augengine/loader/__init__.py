"""A dataset read by a trainer: each source once per epoch, as itself or as one of its variants."""
