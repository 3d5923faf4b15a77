"""What the tests share: small builds, servers, and readers of what the stages make."""
