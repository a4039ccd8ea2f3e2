"""PKIMessages and what they are made of: strict DER, the schema, header, body, failures."""
