# Attacks on session_sticky_control: pages of other sites in the operator's browser, names that resolve to this server (DNS
# rebinding), bodies and names with arbitrary contents.

# Server states survive a reload, so each block needs a new nginx, even in mode hup.
BEGIN { delete $ENV{TEST_NGINX_USE_HUP} }

use Sticky qw(Upstreams Visits Running Control);

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $upstreams = $block->upstreams // "upstream u { server A:; server B:; session_sticky; }\n";
    $block->set_value(http_config => servers('location / { return 200 "NAME"; }', qw(A B)) . entrance(addressed($upstreams), <<"_EOC_")
server_name status.test *.wild.test .dot.test prefix.* ~^regex\\d+\\.test\$ "";
$control
_EOC_
        . ($block->more // ''));
    $block->set_value(no_error_log => "[alert]\n[crit]\n[emerg]\n");
});

sub asked {
    my (%fields) = @_;
    my $status = status(patch('u', 'A', '{"drain":true}', %fields));
    patch('u', 'A', '{"drain":false}') if $status eq '200';
    return $status;
}

master_on();
run_tests();

__DATA__

=== Host: names of the server, localhost and addresses are accepted; an attacker may have made any other name resolve to it
--- client
for my $host ('status.test', 'STATUS.test:1983', 'a.wild.test', 'a.b.wild.test', 'dot.test', 'x.dot.test', 'prefix.org', 'regex17.test',
              'localhost', 'localhost:1983', '127.0.0.1', '127.0.0.1:1983', '192.0.2.1', '[::1]', '[::1]:1983', '[2001:db8::1]') {
    equals(asked(Host => $host), '200', $host);
}
for my $host ('evil.test', 'status.test.evil.test', 'wild.test', 'evilwild.test', 'evildot.test', 'prefix', 'regex.test', 'regex17.test.evil.test',
              'localhost.evil.test', '127.0.0.1.evil.test', '127.1', '2130706433', '0x7f000001', '017700000001', '_', 'prefix.') {
    equals(asked(Host => $host), '403', $host);
}
equals(shown('u', 'A')->{state}, 'up', 'nothing has changed');



=== a server block without a name, the only one for its address
--- more
server { listen 1982; location /status { session_sticky_status; session_sticky_control on; allow 127.0.0.1; deny all; } }
server { listen 1981; server_name only.test; location /status { session_sticky_status; session_sticky_control on; allow 127.0.0.1; deny all; } }
--- client
for my $case ([1982, 'evil.test', 403], [1982, 'localhost', 200], [1981, 'evil.test', 403], [1981, 'only.test', 200], [1981, 'status.test', 403]) {
    my ($port, $host, $status) = @$case;
    my $response = response(say_to_nginx("PATCH /status/upstreams/u/servers/127.0.0.1:1985 HTTP/1.1\r\nHost: $host\r\n"
        . "Content-Type: application/json\r\nContent-Length: 15\r\nConnection: close\r\n\r\n{\"drain\":false}", $port));
    equals(status($response), $status, "$host on port $port");
}



=== without a Host, and with an absolute target, whose host applies
--- client
my $rest = "Content-Type: application/json\r\nContent-Length: 14\r\nConnection: close\r\n\r\n{\"drain\":true}";
my $path = '/status/upstreams/u/servers/127.0.0.1:1985';
equals(status(response(say_to_nginx("PATCH $path HTTP/1.0\r\n$rest", 1983))), '403', 'no Host');
equals(status(response(say_to_nginx("PATCH http://evil.test$path HTTP/1.1\r\nHost: localhost\r\n$rest", 1983))), '403', 'a foreign target');
equals(shown('u', 'A')->{state}, 'up', 'nothing has changed');



=== Origin: only the page's own, or none
--- client
my @own = (Host => 'status.test:1983');
equals(asked(@own, Origin => $_), '200', $_) for 'http://status.test:1983', 'https://status.test:1983', 'http://Status.Test:1983';
equals(asked(@own, Origin => $_), '403', $_) for 'http://evil.test', 'null', 'http://status.test', 'http://status.test:1984', 'http://a.wild.test:1983',
    'http://status.test:1983.evil.test', 'http://evil.test/http://status.test:1983', 'file://', 'chrome-extension://abc', '';
equals(asked(@own, Origin => "http://status.test:1983\r\nOrigin: http://evil.test"), '403', 'two of them');
equals(asked(@own, 'Sec-Fetch-Site' => $_), '200', "Sec-Fetch-Site: $_") for 'same-origin', 'none';
equals(asked(@own, 'Sec-Fetch-Site' => $_), '403', "Sec-Fetch-Site: $_") for 'cross-site', 'same-site', 'nonsense';
equals(shown('u', 'A')->{state}, 'up', 'nothing has changed');



=== a rejected client gets no information about upstreams and servers
--- client
for my $server (qw(A 127.0.0.1:1)) {
    equals(status(patch('u', $server, '{"drain":true}', Host => 'evil.test')), '403', "$server with a foreign host");
    equals(status(patch('nobody', $server, '{"drain":true}', Origin => 'http://evil.test')), '403', "$server of an unknown upstream");
}



=== without access, the request is rejected
--- more
server { listen 1982; location /status { session_sticky_status; session_sticky_control on; deny all; } }
--- client
my $response = response(say_to_nginx("PATCH /status/upstreams/u/servers/127.0.0.1:1985 HTTP/1.1\r\nHost: localhost\r\n"
    . "Content-Type: application/json\r\nContent-Length: 14\r\nConnection: close\r\n\r\n{\"drain\":true}", 1982));
equals(status($response), '403', 'deny all');
equals(shown('u', 'A')->{state}, 'up', 'nothing has changed');



=== bodies in chunks, byte by byte, with Expect; in a file; and clients that disconnect
--- more
server { listen 1982; location /status { client_body_in_file_only on; session_sticky_status; session_sticky_control on; allow 127.0.0.1; deny all; } }
--- client
my $head = "PATCH /status/upstreams/u/servers/127.0.0.1:1985 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n";
my $state = sub { return shown('u', 'A')->{state} };
my $chunks = sub { return CORE::join '', (map { sprintf "%x\r\n%s\r\n", length $_, $_ } @_), "0\r\n\r\n" };

for my $port (1983, 1982) {
    my $done = sub { my ($text) = @_; return status(response(say_to_nginx($text, $port))) };
    equals($done->("${head}Transfer-Encoding: chunked\r\n\r\n" . $chunks->('{"st', 'ate":', '"drain"}')), '200', "$port: chunks");
    equals($state->(), 'draining', "$port: form one body");
    equals($done->("${head}Transfer-Encoding: chunked\r\n\r\n" . $chunks->(map { '{"drain":false}' . ' ' x 300 } 1 .. 4)), '413', "$port: too many");
    equals($done->("${head}Transfer-Encoding: chunked\r\n\r\n" . $chunks->()), '400', "$port: none");
    equals($done->("${head}Transfer-Encoding: chunked\r\n\r\nnonsense\r\n"), '400', "$port: invalid chunks");

    my $slow = say_to_nginx("${head}Content-Length: 14\r\n\r\n", $port);
    for my $byte (split //, '{"state":"up"}') { print $slow $byte; select undef, undef, undef, 0.01 }
    equals(status(response($slow)), '200', "$port: byte by byte");
    equals($state->(), 'up', "$port: up");

    my $polite = say_to_nginx("${head}Expect: 100-continue\r\nContent-Length: 14\r\n\r\n", $port);
    holds(read_until($polite, qr/\r\n\r\n/) =~ /^HTTP\/1\.1 100 /, "$port: nginx requests the body");
    print $polite '{"drain":true}';
    equals(status(response($polite)), '200', "$port: the client sends it");
    equals($state->(), 'draining', "$port: and nginx reads it");

    for (1 .. 20) { close(say_to_nginx("${head}Content-Length: 15\r\n\r\n{\"drain\":fa", $port)) }
    equals($state->(), 'draining', "$port: a partial body has no effect");
    equals($done->("${head}Content-Length: 15\r\n\r\n{\"drain\":false}"), '200', "$port: and nginx handles further requests");
}

my $kept = say_to_nginx(join('', map { s/Connection: close\r\n//r . "Content-Length: 14\r\n\r\n" . '{"drain":true}' } ($head) x 2) . "${head}\r\n", 1983);
my $responses = response($kept);
equals(join(' ', $responses =~ /^HTTP\/1\.1 (\d+)/mg), '200 200 400', 'three requests in a row on one connection');



=== after a body is rejected unread, the connection is used for the next request
--- client
my $socket = connected(1983);
my $head = "PATCH /status/upstreams/u/servers/127.0.0.1:1985 HTTP/1.1\r\nContent-Type: application/json\r\n";
for my $case (["Host: evil.test\r\nContent-Length: 14\r\n\r\n{\"drain\":true}", 403], ["Host: localhost\r\nContent-Length: 1500\r\n\r\n" . 'x' x 1500, 413],
              ["Host: localhost\r\nContent-Length: 14\r\n\r\n{\"drain\":true}", 200]) {
    my ($text, $status) = @$case;
    print $socket $head . $text;
    equals(status(answer_of($socket)), $status, $status);
}



=== a request inside a body, which any page can send, is not executed
--- client
my $patch = "PATCH /status/upstreams/u/servers/127.0.0.1:1985 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    . "Content-Length: 14\r\n\r\n{\"drain\":true}\r\n";
for my $case (['POST /status/upstreams/u/explain', 'text/plain', 413], ['POST /status/upstreams/u/explain', 'application/json', 415],
              ['POST /status/upstreams/nobody/explain', 'text/plain', 413], ['PATCH /status/upstreams/u/servers/A', 'application/json', 413],
              ['POST /status/upstreams/u', 'text/plain', 405], ['GET /status?format=json', 'text/plain', 200]) {
    my ($line, $type, $status) = @$case;
    my $body = $patch . 'x' x 9000;
    my $responses = response(say_to_nginx("$line HTTP/1.1\r\nHost: localhost\r\nContent-Type: $type\r\nContent-Length: " . length($body)
        . "\r\n\r\n${body}GET /status/upstreams/nobody HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 1983));
    equals(join(' ', $responses =~ /^HTTP\/1\.1 (\d+)/mg), "$status 404", "$line with $type");
    equals(shown('u', 'A')->{state}, 'up', "$line with $type changes nothing");
}



=== a location for one upstream does not apply to others
--- upstreams
upstream u { server A:; session_sticky; }
upstream v { server A:; session_sticky cookie=v; }
upstream upstreams { server A:; session_sticky cookie=w; }
--- more
server { listen 1982; location /status/upstreams/u/ { session_sticky_status; session_sticky_control on; allow 127.0.0.1; deny all; } }
--- client
my $patched = sub {
    my ($path) = @_;
    return status(response(say_to_nginx("PATCH $path HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 14\r\n"
        . "Connection: close\r\n\r\n{\"drain\":true}", 1982)));
};
equals($patched->('/status/upstreams/u/servers/127.0.0.1:1985'), '200', 'its own upstream');
for my $path ('/status/upstreams/u', '/status/upstreams%2Fu', '/status%2fupstreams%2fu', '/%73tatus/%75pstreams/u', '//status/./upstreams//u',
              '/status/upstreams/v/..%2fu', '/status/upstreams/u/upstreams/u', '/status/upstreams/v/servers/127.0.0.1:1985/../../../u') {
    equals($patched->("$path/upstreams/v/servers/127.0.0.1:1985"), '404', $path);
}
equals(shown('v', 'A')->{state}, 'up', 'the other one is up');
now('upstreams', 'A', 'drain');
equals(shown('upstreams', 'A')->{state}, 'draining', 'an upstream named "upstreams"');



=== IDs and addresses with arbitrary characters
--- upstreams
upstream u { server unix:/tmp/a%2Fb/c.sock; server unix:/tmp/a/b/c.sock; server A: id=a/b%2Fc; server B: id=a; session_sticky hash=plain; }
upstream "a b/c" { server A:; session_sticky; }
--- client
my $state = sub { my ($server) = @_; return (shown('u', encoded($server)) // {state => 'none'})->{state} };
for my $server ('unix:/tmp/a%2Fb/c.sock', 'unix:/tmp/a/b/c.sock', 'a/b%2Fc', 'a') {
    equals(status(patch('u', encoded($server), '{"drain":true}')), '200', $server);
    equals($state->($server), 'draining', "$server drains");
    for my $other (grep { $_ ne $server } 'unix:/tmp/a%2Fb/c.sock', 'unix:/tmp/a/b/c.sock', 'a/b%2Fc', 'a') {
        equals($state->($other), 'up', "and not $other");
    }
    equals(status(patch('u', encoded($server), '{"drain":false}')), '200', "$server is up");
}
equals(status(patch('a%20b%2Fc', 'A', '{"drain":true}')), '200', 'an upstream with a space and a slash');
equals(status(patch('u', $_, '{"drain":true}')), '404', $_) for 'a%252Fb', '..%2F..', '%3Cscript%3E', 'a%0d%0aX:y', '%E2%82%AC', 'x' x 3000;
