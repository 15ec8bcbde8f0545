"""
Why a store cannot be opened: faults of the set-up, not of a request. Each text is one clear line for the operator.

    CannotOpenStore
      DatabaseMissing       there is no database yet
      DatabaseInUse         another process serves from this file
      SchemaMismatch        the schema is older or newer than this release
      VaultError            the key file is missing, unreadable, open to others, or another database's
"""


class CannotOpenStore(Exception):
    """The store cannot be opened; the text says why and what to do."""


class DatabaseMissing(CannotOpenStore):
    pass


class DatabaseInUse(CannotOpenStore):
    pass


class SchemaMismatch(CannotOpenStore):
    pass


class VaultError(CannotOpenStore):
    pass
