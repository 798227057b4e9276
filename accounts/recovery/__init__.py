"""The recovery address: changes by its owner, corrections by agents."""
