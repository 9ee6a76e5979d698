# docs/guides/tomcat.md: its two files and commands, with servers that behave like Tomcat: a session begins at /login,
# which changes the ID if the client has one (session fixation), and ends at /logout. The ID ends in the jvmRoute. Real
# Tomcats are used in tests/published.

use Sticky qw(Guides);

our $page = 'docs/guides/tomcat.md';

# "gone" lists servers that do not run.
guide_sections($page, sub {
    my ($block) = @_;
    my %route = (A => 'tomcat1', B => 'tomcat2');
    return join '', map {
        servers(<<"_EOC_", $_);
location / { return 200 "NAME"; }
location /image { return 200 "NAME"; }
location /login { add_header Set-Cookie "JSESSIONID=ID\$msec.$route{$_}; Path=/; HttpOnly"; return 200 "NAME"; }
location /forum/login { add_header Set-Cookie "JSESSIONID=ID\$msec; Path=/forum; HttpOnly"; return 200 "NAME"; }
location /logout { add_header Set-Cookie "JSESSIONID=; Path=/; Max-Age=0"; return 200 "NAME"; }
_EOC_
    } grep { $_ ne ($block->gone // '') } sort keys %route;
});

# A browser has a session with an application on server A, logs in to another one, and returns to the first, twice: the servers of
# both requests.
sub shop_forum_shop {
    my @servers;
    for (1, 2) {
        my $forum = at('/forum/login', 'route=ID_A');
        my ($route) = set($forum) =~ /\broute=([^;]*)/;
        push @servers, body($forum) . body(at('/shop/', 'JSESSIONID=x; route=' . ($route // 'ID_A')));
    }
    return join ' ', sort @servers;
}

sub at { my ($path, $cookie) = @_; return visit($path, $cookie, 1983) }

run_tests();

__DATA__

=== A: the commands
--- client
follow_transcript((transcripts($page))[0]);



=== A: no cookie without a session, and none after it
--- client
equals(set(at('/image')), '', 'no session');
my $logout = at('/logout', 'JSESSIONID=x; route=ID_B');
equals(body($logout), 'B', 'the logout is at the server of the session');
holds(set($logout) =~ /^JSESSIONID=; Path=\/; Max-Age=0\|route=; Path=\/;.* Max-Age=0;/, 'both cookies are deleted');



=== A: a login changes the session ID, and the session stays
--- client
for my $name (qw(A B)) {
    my $login = at('/login', "JSESSIONID=planted; route=ID_$name");
    equals(body($login), $name, "the login at $name");
    holds(set($login) =~ /^JSESSIONID=ID[^;]+; Path=\/; HttpOnly\|route=${\ id($name)}; Path=\/; HttpOnly; SameSite=Lax$/, 'both cookies');
}



=== A: several applications, with the line for them: both are on one server
--- but eval: 'session_sticky cookie=route follow=JSESSIONID path=/ httponly secure=auto samesite=lax; => ' . (main::nginx_parts($main::page))[0]
--- client
equals(shop_forum_shop(), 'AA AA', 'one server');



=== A: several applications, with follow=: the second one moves route
--- client
equals(shop_forum_shop(), 'AA BB', 'half of the users lose the session of the first');



=== A: the log of a session that has timed out in Tomcat, which begins another one, and of a page outside the path of JSESSIONID
--- client
at('/login', 'JSESSIONID=gone; route=ID_A');
at('/image', 'route=ID_A');
follow_transcript([['tail -n 2 /var/log/nginx/access.log', map { "… $_ …" } '"GET /login HTTP/1.…" 200 session=bound/valid served=192.0.2.1:8080 had=192.0.2.1:8080 set=updated',
    '"GET /image HTTP/1.…" 200 session=new/none served=… had=- set=none']]);



=== A: users who are logged in and have no route yet, with the method that they had before
--- but: zone tomcat 256k; => zone tomcat 256k; ip_hash;
--- client
my @first = map { at('/', 'JSESSIONID=x') } 1 .. 6;
equals(join('', map { body($_) } @first), body($first[0]) x 6, 'the same server');
equals(scalar(grep { set($_) =~ /^route=${\ id(body($first[0]))};/ } @first), 6, 'which route names');



=== A: users who are logged in and have no route yet, with round robin
--- client
my @first = map { at('/', 'JSESSIONID=x') } 1 .. 6;
equals(join('', sort map { body($_) } @first), 'AAABBB', 'half of them change servers');
equals(scalar(grep { set($_) =~ /^route=${\ id(body($_))};/ } @first), 6, 'and stay there');



=== A: a Tomcat that is gone
--- gone: A
--- may_fail
--- client
my $moved = at('/login', 'JSESSIONID=x; route=ID_A');
equals(body($moved), 'B', 'another serves the user');
holds(set($moved) =~ /\|route=${\ id('B')};/, 'whose session is there now');



=== B: the commands
--- file: 1
--- client
follow_transcript((transcripts($page))[1]);



=== B: cookie and URL, in Tomcat's order, and no cookie of nginx
--- file: 1
--- client
for my $asked (['/', 'JSESSIONID=x.tomcat2', 'B'], ['/p;jsessionid=x.tomcat2?a=b', undef, 'B'], ['/p;jsessionid=x.tomcat2', 'JSESSIONID=y.tomcat1', 'A'],
    ['/p;jsessionid=x.tomcat1;v=1/q', 'a=b', 'A']) {
    my ($path, $cookie, $name) = @$asked;
    my @responses = map { at($path, $cookie) } 1 .. 3;
    equals(join('', map { body($_) } @responses), $name x 3, "$path " . ($cookie // ''));
    equals(join('', map { set($_) } @responses), '', 'no cookie');
}
my $login = at('/login', 'JSESSIONID=planted.tomcat2');
holds(set($login) =~ /^JSESSIONID=ID[^;]+\.tomcat2; Path=\/; HttpOnly$/, 'a login has the same route');



=== B: an unreachable Tomcat
--- file: 1
--- gone: A
--- may_fail
--- client
my $moved = at('/login', 'JSESSIONID=x.tomcat1');
equals(body($moved), 'B', 'another serves the user');
my ($session) = set($moved) =~ /JSESSIONID=([^;]+)/;
equals(join('', map { body(at('/', "JSESSIONID=$session")) } 1 .. 3), 'BBB', 'where the new session stays');
