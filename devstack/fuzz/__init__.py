"""`make fuzz`: requests made from the OpenAPI document against the local stack, by schemathesis in its own environment."""
