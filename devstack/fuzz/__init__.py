"""`make fuzz`: requests from the OpenAPI document, by schemathesis in its own environment, against the local stack."""
