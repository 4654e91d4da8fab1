"""Packages that run in other environments than the harness's, each as a process of its own; nothing imports them here.

A package's folder is put on that environment's path by itself, so that no other module of the harness comes with it.
"""
