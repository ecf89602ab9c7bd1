"""What happens when the network or the store fails: faults planted between s3fs and a store."""
