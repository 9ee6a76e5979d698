"""The two Tomcats with the line that the article adds, `sticky;`."""

from published_tomcat import login_and_failover


def test_login_and_failover(lab):
    """`sticky;`: the login is kept, its Tomcat is stopped, the user moves, it is started again"""
    login_and_failover(lab, "sticky;")
