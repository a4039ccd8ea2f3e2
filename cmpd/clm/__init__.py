"""The certificate lifecycle: policies, templates, CAs, entities, certificates. It knows no CMP."""
