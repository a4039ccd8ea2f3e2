"""CRLs of other CAs: taken from operators, kept, and asked about vendor certificates."""
