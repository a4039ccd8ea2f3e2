"""Issuers beside the CLM's own: a module for each, which registers itself (`cmpd.clm.issuance.issuer`).

They stand above `cmp`, so that one may speak CMP to a CA elsewhere. Importing this package imports them all.
"""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
