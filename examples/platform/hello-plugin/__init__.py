"""A plugin that greets people in their own language."""
