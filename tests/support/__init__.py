"""What tests share: drawn tissue, small generators, slides, stores, clusters, and contracts to inherit."""
