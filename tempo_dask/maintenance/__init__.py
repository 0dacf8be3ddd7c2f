"""What keeps stored blocks in shape: compaction, retention, and deleting what nobody reads any more.

All of it goes through the commit log, so any number of processes may do it to one store at once, while others write
and read. Nothing here is called by a query.
"""
