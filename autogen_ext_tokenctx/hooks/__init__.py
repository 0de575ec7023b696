"""Where AutoGen calls the package: the model-context hook and the message-transform hook."""
