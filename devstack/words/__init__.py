"""The words of messages, for those who write and read them: catalogues, examples of every message, their document."""
