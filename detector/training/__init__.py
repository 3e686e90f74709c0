"""Recordings -> sequences -> networks -> bundles: how the networks that the daemon runs are trained and measured."""
