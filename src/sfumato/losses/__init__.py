"""What an optimised picture is asked to come near to: small pure functions of torch tensors.

Each takes a picture or its features and what it should be like, and gives one number, to be
made small by gradient descent. Weights say where it counts. Style statistics can be summed up
over the parts of a picture, so that pictures of any size fit into memory.
"""
