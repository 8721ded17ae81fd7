"""A Nexus plugin that takes orders."""
