"""A plugin that takes orders."""
