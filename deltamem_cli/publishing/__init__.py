"""An adapter on its way to the hub: checked, described, with its records."""
