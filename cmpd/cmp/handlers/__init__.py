"""What is done for each body: importing this package imports its modules, and each registers the body types
that it serves (`cmpd.cmp.transaction.bodies`)."""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
