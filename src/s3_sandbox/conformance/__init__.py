"""What a mount and a store must be able to do, tried."""
