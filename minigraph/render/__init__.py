"""Pictures of networks and of their gradients."""
