# Keepalive connections that turn out to be closed, and TLS: nginx's counters for the servers.
#
# Stories.pm describes the section "stories". "keep" leaves a connection open, to which the next word applies: if a server then
# closes it ("empty", "reset"), this is not counted as a failure.

use Sticky qw(Certificates Counters FaultyServers Stories Twins);

worker_connections(1024);

our $servers = FaultyServers->new(1985, 1986);
$servers->closing(1991);
$servers->full(1992);

my ($good, $bad) = (certificate(), certificate());

# TLS in front of the servers: 1995 and 1996 are A and B, 1997 is A with an untrusted certificate.
my $tls = join '', map { my ($port, $to, $certificate) = @$_; <<"_EOC_" } [1995, 1985, $good], [1996, 1986, $good], [1997, 1985, $bad];
server {
    listen 127.0.0.1:$port ssl;
    ssl_certificate $certificate.pem;
    ssl_certificate_key $certificate.key;
    location / { proxy_pass http://127.0.0.1:$to; }
}
_EOC_

my $https = "proxy_pass https://NAME; proxy_ssl_session_reuse on; proxy_next_upstream error timeout http_503;";
my $verify = "proxy_ssl_verify on; proxy_ssl_name localhost; proxy_ssl_trusted_certificate $good.pem;";
our @tls = (
    {name => 'TLS without failures', servers => 'server 127.0.0.1:1995; server 127.0.0.1:1996;',
     location => $https, request => ['ok', 'ok', 'ok']},
    {name => 'TLS with 503', servers => 'server 127.0.0.1:1995; server 127.0.0.1:1996;',
     location => $https, request => ['503 ok', 'ok']},
    {name => 'a server that aborts the handshake', servers => 'server 127.0.0.1:1991; server 127.0.0.1:1996;',
     location => $https, request => ['ok', 'ok'], wants => '200 of 1996, fails 1 0, no new cookie'},
    {name => 'a server that hangs in the handshake', servers => 'server 127.0.0.1:1985; server 127.0.0.1:1996;',
     location => $https, request => ['ok', 'ok'], wants => '200 of 1996, fails 1 0, no new cookie'},
    {name => 'a server that nginx cannot connect to', servers => 'server 127.0.0.1:1992; server 127.0.0.1:1996;',
     location => $https, request => ['ok', 'ok'], wants => '200 of 1996, fails 1 0, no new cookie'},
    {name => 'an untrusted certificate', servers => 'server 127.0.0.1:1997; server 127.0.0.1:1996;',
     location => "$https $verify", request => ['ok', 'ok'], wants => '200 of 1996, fails 1 0, no new cookie'},
    {name => 'only untrusted certificates', servers => 'server 127.0.0.1:1997; server 127.0.0.1:1991;',
     location => "$https $verify", request => ['ok', 'ok'], wants => '502 of none, fails 1 1, no new cookie'},
    {name => 'a single server with an untrusted certificate', servers => 'server 127.0.0.1:1997;',
     location => "$https $verify", request => ['ok', 'ok'], wants => '502 of 1997, fails 0, no new cookie'},
    {name => 'a backup server with TLS', servers => 'server 127.0.0.1:1991; server 127.0.0.1:1996 backup;',
     location => $https, request => ['ok', 'ok'], wants => '200 of 1996, fails 1 0, no new cookie'},
);

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    if (defined $block->tls) {
        $block->set_value(config => 'location = /peers { upstream_peers; }');
        my $zone = $block->tls =~ /(\w+)/ ? $1 : '';
        $block->set_value(no_error_log => "[alert]\n[emerg]\n");
        fill($block, $tls . twins($zone, '', @tls));
        $block->set_value(client => sub { compare($servers, @tls) });
    } else {
        live($block, 'proxy_http_version 1.1; proxy_set_header Connection "";'
                     . ($block->directives // 'proxy_next_upstream error timeout http_503;'));
    }
});

run_tests();

__DATA__

=== stale connection: the same server is tried again over a new connection, and no failure is counted
--- http_config
upstream u { zone stale 512k; server A:; server B:; session_sticky hash=plain; keepalive 4; }
upstream v { server A:; server B:; keepalive 4; session_sticky hash=plain; }
upstream w { zone stale 512k; server B:; server A: backup; session_sticky hash=plain; keepalive 4; }
upstream x { zone stale 512k; server A: id=x; server B: id=x; session_sticky hash=plain; keepalive 4; }
upstream y { server A:; session_sticky hash=plain; keepalive 4; }
--- stories
u 127.0.0.1:1985 keep => 200 of A, fails 0 0, no new cookie
u 127.0.0.1:1985 empty ok => 200 of A A, fails 0 0, no new cookie
v 127.0.0.1:1985 keep => 200 of A, fails 0 0, no new cookie
v 127.0.0.1:1985 reset keep => 200 of A A, fails 0 0, no new cookie
v 127.0.0.1:1985 reset ok => 200 of A A, fails 0 0, no new cookie
w 127.0.0.1:1985 keep => 200 of A, fails 0 0, no new cookie
w 127.0.0.1:1985 empty ok => 200 of A A, fails 0 0, no new cookie
x x keep => 200 of A, fails 0 0, no new cookie
x x empty ok => 200 of A A, fails 0 0, no new cookie
y 127.0.0.1:1985 keep => 200 of A, fails 0, no new cookie
y 127.0.0.1:1985 ok => 200 of A, fails 0, no new cookie



=== stale connection, and the new one fails as well: a failure is counted, and the session moves
--- http_config
upstream u { zone stale_fails 512k; server A:; server B:; session_sticky hash=plain; keepalive 4; }
upstream v { zone stale_fails 512k; server A: id=x; server B: id=x; session_sticky hash=plain; keepalive 4; }
upstream w { server A:; server B:; session_sticky hash=plain fallback=off; keepalive 4; }
--- stories
u 127.0.0.1:1985 keep => 200 of A, fails 0 0, no new cookie
u 127.0.0.1:1985 empty reset ok => 200 of A A B, fails 1 0, bound to 127.0.0.1:1986
v x keep => 200 of A, fails 0 0, no new cookie
v x empty reset ok => 200 of A A B, fails 1 0, no new cookie
w 127.0.0.1:1985 keep => 200 of A, fails 0 0, no new cookie
w 127.0.0.1:1985 empty empty => 502 of A A, fails 1 0, no new cookie



=== stale connection, fallback=off and rebind=off: the session keeps its server
--- http_config
upstream u { zone stale_off 512k; server A:; server B:; session_sticky hash=plain fallback=off; keepalive 4; }
upstream v { zone stale_off 512k; server A:; server B:; session_sticky hash=plain rebind=off; keepalive 4; }
--- stories
u 127.0.0.1:1985 keep => 200 of A, fails 0 0, no new cookie
u 127.0.0.1:1985 empty ok => 200 of A A, fails 0 0, no new cookie
v 127.0.0.1:1985 keep => 200 of A, fails 0 0, no new cookie
v 127.0.0.1:1985 empty ok => 200 of A A, fails 0 0, no new cookie



=== not stale: a timeout, a partial header and a status are failures on a keepalive connection, too
--- http_config
upstream u { zone not_stale 512k; server A:; server B:; session_sticky hash=plain; keepalive 4; }
upstream v { zone not_stale 512k; server A:; server B:; session_sticky hash=plain; keepalive 4; }
upstream w { zone not_stale 512k; server A:; server B:; session_sticky hash=plain; keepalive 4; }
--- stories
u 127.0.0.1:1985 keep => 200 of A, fails 0 0, no new cookie
u 127.0.0.1:1985 hang ok => 200 of A B, fails 1 0, bound to 127.0.0.1:1986
v 127.0.0.1:1985 keep => 200 of A, fails 0 0, no new cookie
v 127.0.0.1:1985 header-empty ok => 200 of A B, fails 1 0, bound to 127.0.0.1:1986
w 127.0.0.1:1985 keep => 200 of A, fails 0 0, no new cookie
w 127.0.0.1:1985 503 ok => 200 of A B, fails 1 0, bound to 127.0.0.1:1986



=== stale connection, and no further try is allowed: 502, but no failure is counted
--- directives: proxy_next_upstream timeout;
--- http_config
upstream u { zone stale_once 256k; server A:; server B:; session_sticky hash=plain; keepalive 4; }
--- stories
u 127.0.0.1:1985 keep => 200 of A, fails 0 0, no new cookie
u 127.0.0.1:1985 empty ok => 502 of A, fails 0 0, no new cookie
u 127.0.0.1:1985 keep => 200 of A, fails 0 0, no new cookie
u 127.0.0.1:1985 POST empty ok => 502 of A, fails 0 0, no new cookie



=== stale connection with a POST: it is not repeated
--- http_config
upstream u { zone stale_post 256k; server A:; server B:; session_sticky hash=plain; keepalive 4; }
--- stories
u 127.0.0.1:1985 keep => 200 of A, fails 0 0, no new cookie
u 127.0.0.1:1985 POST empty ok => 502 of A, fails 0 0, no new cookie
u 127.0.0.1:1985 ok => 200 of A, fails 0 0, no new cookie



=== stale connection with one try: it does not count as a try
--- directives: proxy_next_upstream error; proxy_next_upstream_tries 1;
--- http_config
upstream u { zone stale_tries 256k; server A:; server B:; session_sticky hash=plain; keepalive 4; }
--- stories
u 127.0.0.1:1985 keep => 200 of A, fails 0 0, no new cookie
u 127.0.0.1:1985 empty ok => 200 of A A, fails 0 0, no new cookie
u 127.0.0.1:1985 reset ok => 502 of A, fails 1 0, no new cookie



=== two keepalive connections, both stale: no failure is counted for the first one
--- http_config
upstream u { zone stale_many 256k; server A:; server B:; session_sticky hash=plain; keepalive 4; }
--- client
my @held = map { ask_for('wait-keep', 'u', {cookie => 'route=127.0.0.1:1985', id => "many-$_"}) } 1 .. 2;
equals($servers->port_of("many-$_"), 1985, "request $_ reaches the server") for 1 .. 2;
$servers->go("many-$_") for 1 .. 2;
equals(status(response($_)), 200, 'it gets its response') for @held;
settled('u');
chapter('u 127.0.0.1:1985 empty reset ok => 200 of A A B, fails 1 0, bound to 127.0.0.1:1986');



=== TLS, without a zone
--- tls: -



=== TLS, with a zone, which has the TLS sessions
--- tls: tls
