# Connections that are kept alive and turn out to be closed, and TLS: what nginx counts for the servers.
#
# Stories.pm says what the section "stories" means. "keep" leaves a connection open, so that the
# next word is about it: a server that closes it then ("empty", "reset") was not at fault.

use Sticky qw(Certificates Counters FaultyServers Stories Twins);

worker_connections(1024);

our $servers = FaultyServers->new(1985, 1986);
$servers->closing(1991);
$servers->full(1992);

my ($good, $bad) = (certificate(), certificate());

# TLS in front of the servers: 1995 and 1996 are A and B, 1997 is A with a certificate that nobody trusts.
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
    {name => 'TLS, and nothing fails', servers => 'server 127.0.0.1:1995; server 127.0.0.1:1996;',
     location => $https, request => ['ok', 'ok', 'ok']},
    {name => 'TLS, and 503', servers => 'server 127.0.0.1:1995; server 127.0.0.1:1996;',
     location => $https, request => ['503 ok', 'ok']},
    {name => 'a server that ends the handshake', servers => 'server 127.0.0.1:1991; server 127.0.0.1:1996;',
     location => $https, request => ['ok', 'ok'], wants => '200 of 1996, fails 1 0, not bound anew'},
    {name => 'a server that hangs in the handshake', servers => 'server 127.0.0.1:1985; server 127.0.0.1:1996;',
     location => $https, request => ['ok', 'ok'], wants => '200 of 1996, fails 1 0, not bound anew'},
    {name => 'a server that nginx cannot connect to', servers => 'server 127.0.0.1:1992; server 127.0.0.1:1996;',
     location => $https, request => ['ok', 'ok'], wants => '200 of 1996, fails 1 0, not bound anew'},
    {name => 'a certificate that is not trusted', servers => 'server 127.0.0.1:1997; server 127.0.0.1:1996;',
     location => "$https $verify", request => ['ok', 'ok'], wants => '200 of 1996, fails 1 0, not bound anew'},
    {name => 'certificates of which none is trusted', servers => 'server 127.0.0.1:1997; server 127.0.0.1:1991;',
     location => "$https $verify", request => ['ok', 'ok'], wants => '502 of none, fails 1 1, not bound anew'},
    {name => 'one server, whose certificate is not trusted', servers => 'server 127.0.0.1:1997;',
     location => "$https $verify", request => ['ok', 'ok'], wants => '502 of 1997, fails 0, not bound anew'},
    {name => 'a backup behind TLS', servers => 'server 127.0.0.1:1991; server 127.0.0.1:1996 backup;',
     location => $https, request => ['ok', 'ok'], wants => '200 of 1996, fails 1 0, not bound anew'},
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

=== stale: the same server is asked again, over a new connection, and nothing is held against it
--- http_config
upstream u { zone stale 512k; server A:; server B:; session_sticky hash=plain; keepalive 4; }
upstream v { server A:; server B:; keepalive 4; session_sticky hash=plain; }
upstream w { zone stale 512k; server B:; server A: backup; session_sticky hash=plain; keepalive 4; }
upstream x { zone stale 512k; server A: id=x; server B: id=x; session_sticky hash=plain; keepalive 4; }
upstream y { server A:; session_sticky hash=plain; keepalive 4; }
--- stories
u 127.0.0.1:1985 keep => 200 of A, fails 0 0, not bound anew
u 127.0.0.1:1985 empty ok => 200 of A A, fails 0 0, not bound anew
v 127.0.0.1:1985 keep => 200 of A, fails 0 0, not bound anew
v 127.0.0.1:1985 reset keep => 200 of A A, fails 0 0, not bound anew
v 127.0.0.1:1985 reset ok => 200 of A A, fails 0 0, not bound anew
w 127.0.0.1:1985 keep => 200 of A, fails 0 0, not bound anew
w 127.0.0.1:1985 empty ok => 200 of A A, fails 0 0, not bound anew
x x keep => 200 of A, fails 0 0, not bound anew
x x empty ok => 200 of A A, fails 0 0, not bound anew
y 127.0.0.1:1985 keep => 200 of A, fails 0, not bound anew
y 127.0.0.1:1985 ok => 200 of A, fails 0, not bound anew



=== stale, and then the new connection fails as well: that counts, and the session moves
--- http_config
upstream u { zone stale_fails 512k; server A:; server B:; session_sticky hash=plain; keepalive 4; }
upstream v { zone stale_fails 512k; server A: id=x; server B: id=x; session_sticky hash=plain; keepalive 4; }
upstream w { server A:; server B:; session_sticky hash=plain fallback=off; keepalive 4; }
--- stories
u 127.0.0.1:1985 keep => 200 of A, fails 0 0, not bound anew
u 127.0.0.1:1985 empty reset ok => 200 of A A B, fails 1 0, bound to 127.0.0.1:1986
v x keep => 200 of A, fails 0 0, not bound anew
v x empty reset ok => 200 of A A B, fails 1 0, not bound anew
w 127.0.0.1:1985 keep => 200 of A, fails 0 0, not bound anew
w 127.0.0.1:1985 empty empty => 502 of A A, fails 1 0, not bound anew



=== stale, fallback=off and rebind=off: the session has its server
--- http_config
upstream u { zone stale_off 512k; server A:; server B:; session_sticky hash=plain fallback=off; keepalive 4; }
upstream v { zone stale_off 512k; server A:; server B:; session_sticky hash=plain rebind=off; keepalive 4; }
--- stories
u 127.0.0.1:1985 keep => 200 of A, fails 0 0, not bound anew
u 127.0.0.1:1985 empty ok => 200 of A A, fails 0 0, not bound anew
v 127.0.0.1:1985 keep => 200 of A, fails 0 0, not bound anew
v 127.0.0.1:1985 empty ok => 200 of A A, fails 0 0, not bound anew



=== not stale: a time-out, a cut header and a status are failures on a kept connection too
--- http_config
upstream u { zone not_stale 512k; server A:; server B:; session_sticky hash=plain; keepalive 4; }
upstream v { zone not_stale 512k; server A:; server B:; session_sticky hash=plain; keepalive 4; }
upstream w { zone not_stale 512k; server A:; server B:; session_sticky hash=plain; keepalive 4; }
--- stories
u 127.0.0.1:1985 keep => 200 of A, fails 0 0, not bound anew
u 127.0.0.1:1985 hang ok => 200 of A B, fails 1 0, bound to 127.0.0.1:1986
v 127.0.0.1:1985 keep => 200 of A, fails 0 0, not bound anew
v 127.0.0.1:1985 header-empty ok => 200 of A B, fails 1 0, bound to 127.0.0.1:1986
w 127.0.0.1:1985 keep => 200 of A, fails 0 0, not bound anew
w 127.0.0.1:1985 503 ok => 200 of A B, fails 1 0, bound to 127.0.0.1:1986



=== stale where nginx may not try again: 502, but nothing is held against the server
--- directives: proxy_next_upstream timeout;
--- http_config
upstream u { zone stale_once 256k; server A:; server B:; session_sticky hash=plain; keepalive 4; }
--- stories
u 127.0.0.1:1985 keep => 200 of A, fails 0 0, not bound anew
u 127.0.0.1:1985 empty ok => 502 of A, fails 0 0, not bound anew
u 127.0.0.1:1985 keep => 200 of A, fails 0 0, not bound anew
u 127.0.0.1:1985 POST empty ok => 502 of A, fails 0 0, not bound anew



=== stale, a POST: it is not repeated
--- http_config
upstream u { zone stale_post 256k; server A:; server B:; session_sticky hash=plain; keepalive 4; }
--- stories
u 127.0.0.1:1985 keep => 200 of A, fails 0 0, not bound anew
u 127.0.0.1:1985 POST empty ok => 502 of A, fails 0 0, not bound anew
u 127.0.0.1:1985 ok => 200 of A, fails 0 0, not bound anew



=== stale with one try: nginx takes none away for it
--- directives: proxy_next_upstream error; proxy_next_upstream_tries 1;
--- http_config
upstream u { zone stale_tries 256k; server A:; server B:; session_sticky hash=plain; keepalive 4; }
--- stories
u 127.0.0.1:1985 keep => 200 of A, fails 0 0, not bound anew
u 127.0.0.1:1985 empty ok => 200 of A A, fails 0 0, not bound anew
u 127.0.0.1:1985 reset ok => 502 of A, fails 1 0, not bound anew



=== two kept connections, both stale: once the server is not at fault
--- http_config
upstream u { zone stale_many 256k; server A:; server B:; session_sticky hash=plain; keepalive 4; }
--- client
my @held = map { ask_for('wait-keep', 'u', {cookie => 'route=127.0.0.1:1985', id => "many-$_"}) } 1 .. 2;
equals($servers->port_of("many-$_"), 1985, "request $_ is at the server") for 1 .. 2;
$servers->go("many-$_") for 1 .. 2;
equals(status(response($_)), 200, 'it is answered') for @held;
settled('u');
chapter('u 127.0.0.1:1985 empty reset ok => 200 of A A B, fails 1 0, bound to 127.0.0.1:1986');



=== TLS, without a zone
--- tls: -



=== TLS, with a zone: its sessions are in there
--- tls: tls
