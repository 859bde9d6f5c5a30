"""The client: what a kernel imports as ``lab``. One module of text, made from the modules of this folder.

A kernel does not have this package. It gets one file that needs the standard library, torch and safetensors.
"""
