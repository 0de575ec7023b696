"""The command ``tokenctx``."""
