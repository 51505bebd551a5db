"""The service: every model behind one port, for any client that speaks OpenAI's or Foundry Local's dialect.

`app` answers HTTP and knows no engine; `pool` owns the engines and knows no HTTP. They meet in `lease`.
"""
