"""The browser pages of the desk: server-rendered, in the same words and colours as the app. Talks to the service only."""
