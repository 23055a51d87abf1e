"""What is on disk, as types: one file per record.

Every record tolerates what another version wrote: fields it does not know are kept aside or skipped, and a
field that an old file does not have is None, which means "unknown".
"""
