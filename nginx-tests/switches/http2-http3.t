# The switches over HTTP/2, HTTP/3 and in WebSocket connections. Every block with "config" is run with each protocol
# that this nginx supports: HTTP/2 in plaintext, HTTP/2 over TLS, HTTP/3.

use Sticky qw(Certificates FaultyServers Multiplex Nginx);

our $certificate = certificate();
our @protocols = ('h2c', 'h2', has('http_v3_module') ? 'h3' : ());
our %listens = (h2c => 1981, h2 => 1982, h3 => 1982);
our $faulty = FaultyServers->new(1991, 1992);
$port{W} = 1991;

our $listen = listens_http2('127.0.0.1:1981', '127.0.0.1:1982 ssl')
    . " ssl_certificate $certificate.pem; ssl_certificate_key $certificate.key;"
    . (has('http_v3_module') ? ' listen 127.0.0.1:1982 quic;' : '');

our $servers = servers(<<'_EOC_', qw(A B));
location / { add_header Cache-Control max-age=60; return 200 "NAME cookie=[$http_cookie]\n"; }
location /application { add_header Set-Cookie "sid=$arg_v; Path=/; Max-Age=9"; return 200 "NAME cookie=[$http_cookie]\n"; }
location /logout { add_header Set-Cookie "route=; Max-Age=0; Path=/"; return 200 "NAME cookie=[$http_cookie]\n"; }
_EOC_

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $sticky = $block->sticky;
    my $http = $servers . "upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky $sticky; }\n";
    if (defined $block->asks) {
        $http .= "server { $listen location / { proxy_pass http://u; } @{[$block->config // '']} }\n";
        my @lines = grep { /\S/ } split /\n/, $block->asks;
        $block->set_value(config => '');
        $block->set_value(client => sub { asks($_, @lines) for @protocols });
    }
    fill($block, $http);
});

# A line is "METHOD PATH COOKIES => SERVER, FIELD: VALUE, ...": response fields in lower case, "-" for none. STAMP is a
# time. The server * is any, and ID_* is the ID of the one that answered.
sub asks {
    my ($protocol, @lines) = @_;
    local $Client::block_name = "$Client::block_name: $protocol";
    my $client = Multiplex->new($protocol, $listens{$protocol});
    my $number = 0;
    my $now = time;
    for my $line (@lines) {
        my ($method, $path, $cookies, $wanted) = $line =~ /^(\S+) (\S+) (.*?) ?=> (.*)$/ or die "what is \"$line\"?\n";
        # The HTTP/3 client does not accept a length in a response to HEAD.
        next if $method eq 'HEAD' && $protocol eq 'h3';
        $client->ask(++$number, $path, [map { expand($_, $now) } split /; /, $cookies], method => $method,
                     $method eq 'POST' ? (body => 'x') : ());
        my $answer = $client->answer($number);
        my ($server, @fields) = split /, (?=[a-z-]+: )/, $wanted;
        my %fields;
        push @{$fields{lc $_->[0]}}, $_->[1] for @{$answer->{fields} // []};
        my ($served) = ($answer->{body} // '') =~ /^([AB]) cookie=/;
        equals($served // $answer->{failed}, $server, "$line: the server") if $server =~ /^\w$/;
        for (@fields) {
            my ($name, $value) = /^(\S+): (.*)$/;
            $value = expand($value =~ s/ID_\*/'ID_' . ($served \/\/ 'nobody')/er);
            my $got = join(', ', @{$fields{$name} // ['-']}) =~ s/\|\K(\d{10})(?=\|)/$1 >= $now ? 'STAMP' : $1/er;
            equals($got, $value =~ s/\bNOW-(\d+)\b/$now - $1/er, "$line: $name");
        }
    }
    return $client->leave;
}

run_tests();

__DATA__

=== if=: requests that are off are load-balanced, on the same connection
--- sticky: if=$arg_on option=indirect
--- asks
GET /t route=ID_B; a=b => A, set-cookie: -
GET /t?on=1 route=ID_B; a=b => B, set-cookie: -
GET /t route=ID_B; a=b => B, set-cookie: -
GET /t?on=1 a=b => A, set-cookie: route=ID_A; Path=/
GET /t a=b => B, set-cookie: -
HEAD /t a=b => -, set-cookie: -
HEAD /t?on=1 a=b => -, set-cookie: route=ID_B; Path=/



=== refresh=
--- sticky: maxidle=1h refresh=10m
--- asks
GET /t route=ID_B|NOW-500|NOW-900 => B, set-cookie: -
GET /t route=ID_B|NOW-700|NOW-900 => B, set-cookie: route=ID_B|STAMP|NOW-900; Path=/



=== nocache
--- sticky: nocache
--- asks
GET /t => *, set-cookie: route=ID_*; Path=/, cache-control: max-age=60, private
HEAD /t => -, cache-control: max-age=60, private
GET /t route=ID_B => B, set-cookie: -, cache-control: max-age=60



=== preserve: logout, and the request after it
--- sticky: preserve option=indirect
--- asks
GET /logout route=ID_B => B, set-cookie: route=; Max-Age=0; Path=/
GET /t => *, set-cookie: route=ID_*; Path=/



=== postonly
--- sticky: postonly
--- asks
GET /t => *, set-cookie: -
HEAD /t => -, set-cookie: -
POST /t => *, set-cookie: route=ID_*; Path=/
POST /t route=ID_B => B, set-cookie: -



=== secure=$variable
--- sticky: secure=$arg_tls
--- asks
GET /t => *, set-cookie: route=ID_*; Path=/
GET /t?tls=on => *, set-cookie: route=ID_*; Path=/; Secure



=== WebSocket: the handshake is switched, and its response is like any other
--- sticky: if=1
--- http_config
upstream off  { server 127.0.0.1:1991; server 127.0.0.1:1992; session_sticky cookie=off if=$arg_on; }
upstream new  { server 127.0.0.1:1991; session_sticky cookie=new nocache preserve; }
upstream post { server 127.0.0.1:1991; session_sticky cookie=post postonly; }
upstream idle { server 127.0.0.1:1991; session_sticky cookie=idle maxidle=1h refresh=10m; }
--- config
proxy_http_version 1.1;
proxy_set_header Upgrade $http_upgrade;
proxy_set_header Connection upgrade;
location = /off { proxy_pass http://off; }
location = /new { proxy_pass http://new; }
location = /post { proxy_pass http://post; }
location = /idle-for-long { proxy_pass http://idle; }
--- may_warn
which has no variable
--- client
our $conversations = 0;
my $converse = sub {
    my ($path, $cookie) = @_;
    my $socket = say_to_nginx("GET $path HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                              . 'X-Id: ws-' . ++$conversations . "\r\nX-Plan: upgrade\r\n$cookie\r\n");
    my $header = read_until($socket, qr/\r\n\r\n/);
    print $socket "hello";
    my $echo = read_until($socket, qr/hello/);
    print $socket 'bye';
    response($socket);
    return join ' ', status($header), $echo, $faulty->port_of("ws-$conversations"), set($header) || '-', head('Cache-Control', $header) || '-';
};
my ($one, $two) = map { Digest::MD5::md5_hex("127.0.0.1:$_") } 1991, 1992;
equals($converse->('/off', "Cookie: off=$two\r\n"), '101 hello 1991 - -', 'off: not followed');
equals($converse->('/off', "Cookie: off=$two\r\n"), '101 hello 1992 - -', 'off: load-balanced');
equals($converse->('/off', "Cookie: off=$two\r\n"), '101 hello 1991 - -', 'off: once more');
equals($converse->('/off?on=1', "Cookie: off=$two\r\n"), '101 hello 1992 - -', 'on: followed');
equals($converse->('/new', ''), "101 hello 1991 new=$one; Path=/ private", 'nocache: a first visit');
equals($converse->('/new', "Cookie: new=$one\r\n"), '101 hello 1991 - -', 'nocache: a return');
equals($converse->('/post', ''), '101 hello 1991 - -', 'postonly: GET begins no session');
my $now = time;
equals($converse->('/idle-for-long', "Cookie: idle=$one|" . ($now - 500) . '|' . ($now - 900) . "\r\n"), '101 hello 1991 - -', 'refresh: fresh');
equals($converse->('/idle-for-long', "Cookie: idle=$one|" . ($now - 700) . '|' . ($now - 900) . "\r\n") =~ s/\|\d{10}\|/|now|/r,
       "101 hello 1991 idle=$one|now|" . ($now - 900) . '; Path=/ -', 'refresh: old');



=== follow=, with cookies in several fields
--- sticky: follow=sid option=indirect
--- asks
GET /t route=ID_B; a=b => A, set-cookie: -
GET /t route=ID_A; a=b; sid=1 => A, set-cookie: -
GET /t sid=1; route=ID_B => B, set-cookie: -
GET /t sid=; route=ID_A => B, set-cookie: -
GET /application?v=1 a=b => A, set-cookie: sid=1; Path=/; Max-Age=9, route=ID_A; Path=/; Max-Age=9
GET /application a=b; sid=1; route=ID_A => A, set-cookie: sid=; Path=/; Max-Age=9, route=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:01 GMT
HEAD /application?v=1 sid=1 => -, set-cookie: sid=1; Path=/; Max-Age=9, route=ID_B; Path=/; Max-Age=9
