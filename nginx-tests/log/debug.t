# The [debug] lines of a request, in order, if nginx was built with --with-debug, as Debian's is. Without it, the module
# logs none.

use Sticky qw(Nginx);

log_level('debug');

our $http = servers('', qw(A B)) . <<'_EOC_' . <<'_EOC_';
server { listen 127.0.0.1:1987; location / { add_header Set-Cookie "app=x; Path=/"; return 200 "C\n"; } }
_EOC_
    upstream u      { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky; }
    upstream hidden { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky option=indirect; }
    upstream prefix { server 127.0.0.1:1987; session_sticky mode=prefix cookie=app; }
    upstream gone   { server 127.0.0.1:1985; server 127.0.0.1:1988 max_fails=0; session_sticky; }
    upstream strict { server 127.0.0.1:1985; server 127.0.0.1:1986 down; session_sticky cookie=s fallback=off; }
    upstream lent   { server 127.0.0.1:1985; server 127.0.0.1:1986 down; session_sticky cookie=l rebind=off; }
_EOC_

# The new lines, without the prefix up to the module's name.
my $read = 0;
sub lines {
    open my $log, '<', server_root() . '/logs/error.log' or return "no log\n";
    my @lines = map { /\[debug\] .*? session_sticky: (.*)/ ? "$1\n" : () } <$log>;
    my @new = @lines[$read .. $#lines];
    $read = @lines;
    return join '', @new;
}

# says(PATH, COOKIE, LINES): the lines of one request
sub says {
    my ($path, $cookie, $wanted) = @_;
    visit($path, $cookie ? $cookie : ());
    my $said = '';
    # The server is released when the response has been sent, possibly after the client received it.
    for (1 .. 50) {
        $said .= lines();
        last if !has('with-debug') || ($said =~ tr/\n//) >= ($wanted =~ tr/\n//);
        select undef, undef, undef, 0.02;
    }
    return equals($said, has('with-debug') ? expand($wanted) : '', "$path " . ($cookie // ''));
}

client_sections();
add_block_preprocessor(sub { $read = 0; fill($_[0], $http) });
run_tests();

__DATA__

=== a session begins and continues
--- config
location / { proxy_pass http://u; }
--- client
says('/', undef, <<'_EOC_');
cookie "route" for upstream "u": none, id "", the balancer chooses
the balancer is called, rc:0
the balancer chose 127.0.0.1:1985
header filter, settled:No
server "ID_A" responded: the cookie is set
set "route=ID_A; Path=/"
free 127.0.0.1:1985, state:0
_EOC_
says('/', 'route=ID_B', <<'_EOC_');
cookie "route" for upstream "u": valid, id "ID_B", the cookie chooses
candidate 127.0.0.1:1986, available
candidate is selected
header filter, settled:Yes
free 127.0.0.1:1986, state:0
_EOC_
says('/', 'route=nobody', <<'_EOC_');
cookie "route" for upstream "u": unknown, id "nobody", the balancer chooses
the balancer is called, rc:0
the balancer chose 127.0.0.1:1986
header filter, settled:No
server "ID_B" responded: the cookie is set
set "route=ID_B; Path=/"
free 127.0.0.1:1986, state:0
_EOC_



=== a cookie is hidden
--- config
location / { proxy_pass http://hidden; }
--- client
says('/', 'a=b; route=ID_B', <<'_EOC_');
cookie "route" is hidden
cookie "route" for upstream "hidden": valid, id "ID_B", the cookie chooses
candidate 127.0.0.1:1986, available
candidate is selected
header filter, settled:UnlessSet
free 127.0.0.1:1986, state:0
_EOC_
says('/', 'a=b', <<'_EOC_');
no cookie "route" to hide
cookie "route" for upstream "hidden": none, id "", the balancer chooses
the balancer is called, rc:0
the balancer chose 127.0.0.1:1985
header filter, settled:No
server "ID_A" responded: the cookie is set
set "route=ID_A; Path=/"
free 127.0.0.1:1985, state:0
_EOC_
says('/', 'a=b; route=ID_A; route=ID_A', <<'_EOC_');
cookies are hidden in a separate list of headers, rules:1
cookie "route" for upstream "hidden": valid, id "ID_A", the cookie chooses
candidate 127.0.0.1:1985, available
candidate is selected
header filter, settled:UnlessSet
free 127.0.0.1:1985, state:0
_EOC_



=== a cookie of the application
--- config
location / { proxy_pass http://prefix; }
--- client
says('/', undef, <<'_EOC_');
cookie "app" for upstream "prefix": none, id "", the balancer chooses
the balancer is called, rc:0
the balancer chose 127.0.0.1:1987
header filter, settled:No
server "ID_C" responded: the server's cookie gets a prefix
edited "app=ID_C~x; Path=/"
free 127.0.0.1:1987, state:0
_EOC_



=== servers that are unavailable
--- config
location /gone { proxy_pass http://gone; }
location /strict { proxy_pass http://strict; }
location /lent { proxy_pass http://lent; }
--- client
says('/gone', 'route=ID_D', <<'_EOC_');
cookie "route" for upstream "gone": valid, id "ID_D", the cookie chooses
candidate 127.0.0.1:1988, available
candidate is selected
free 127.0.0.1:1988, state:4
failed: connection failed
kept for an internal redirect
no server of the cookie can be used, the balancer chooses
the balancer is called, rc:0
the balancer chose 127.0.0.1:1985
header filter, settled:No
server "ID_A" responded: the cookie is set
set "route=ID_A; Path=/"
free 127.0.0.1:1985, state:0
_EOC_
says('/strict', 's=ID_B', <<'_EOC_');
cookie "s" for upstream "strict": valid, id "ID_B", the cookie chooses
candidate 127.0.0.1:1986, down
candidate 127.0.0.1:1986, down
no server of the cookie can be used, the request is refused
kept for an internal redirect
header filter, settled:No
_EOC_
says('/lent', 'l=ID_B', <<'_EOC_');
cookie "l" for upstream "lent": valid, id "ID_B", the cookie chooses
candidate 127.0.0.1:1986, down
no server of the cookie can be used, another server is selected for this request
candidate 127.0.0.1:1985, available
candidate is selected
lent to 127.0.0.1:1985
header filter, settled:No
server "ID_A" responded: nothing is set
free 127.0.0.1:1985, state:0
_EOC_
