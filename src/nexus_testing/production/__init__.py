"""Production: what the published framework does otherwise, and what tells an author."""
