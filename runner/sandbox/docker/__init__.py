"""The Docker backend. Imported only where an engine is to be used, as its SDK is heavy."""
