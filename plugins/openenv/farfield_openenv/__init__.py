"""OpenEnv, both ways.

`facade` is a server that speaks OpenEnv's protocol in front of our services. `adapter` is an environment
and a verifier of ours with an OpenEnv environment behind them. They share `protocol`, and nothing else.
"""
