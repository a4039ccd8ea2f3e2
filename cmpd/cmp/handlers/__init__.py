"""What is done for each body: importing this package registers them all (`cmpd.cmp.transaction.bodies`)."""

from cmpd.cmp.handlers import confirmation, enrolment, general, nested, polling, proof, revocation

__all__ = ["confirmation", "enrolment", "general", "nested", "polling", "proof", "revocation"]
