"""Making generators and segmenters: installed beside augengine by the extra ``train``, run as ``augengine train``."""
