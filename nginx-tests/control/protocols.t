# session_sticky_control over HTTP/2 and HTTP/3: bodies, and the page's own origin, without a Host field. Every block runs with
# each protocol of this nginx: HTTP/2 without TLS, HTTP/2 over TLS, HTTP/3.

# Server states survive a reload, so each block needs a new nginx, even in mode hup.
BEGIN { delete $ENV{TEST_NGINX_USE_HUP} }

use Sticky qw(Certificates Multiplex Nginx Running);

our $certificate = certificate();

our @protocols = ('h2c', 'h2', has('http_v3_module') ? 'h3' : ());
our %listens = (h2c => 1981, h2 => 1982, h3 => 1982);

my $listen = listens_http2('127.0.0.1:1981', '127.0.0.1:1982 ssl')
    . " ssl_certificate $certificate.pem; ssl_certificate_key $certificate.key;"
    . (has('http_v3_module') ? ' listen 127.0.0.1:1982 quic;' : '');

our $path = '/status/upstreams/u/servers/127.0.0.1:1985';

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => servers('location / { return 200 "NAME"; }', qw(A B)) . <<"_EOC_");
upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky; }
server {
    $listen
    location / { proxy_pass http://u; }
    location /status { session_sticky_status; session_sticky_control on; allow 127.0.0.1; deny all; }
}
_EOC_
    my $client = client_of($block);
    $block->set_value(client => sub {
        for my $protocol (@protocols) {
            local $Client::block_name = "$Client::block_name: $protocol";
            $client->(Multiplex->new($protocol, $listens{$protocol}), $protocol);
        }
    });
});

our $number = 0;

sub patched {
    my ($client, $body, @fields) = @_;
    $number++;
    $client->ask($number, $path, [], method => 'PATCH', body => $body, fields => [['content-type', 'application/json'], @fields]);
    return $client->answer($number)->{status};
}

run_tests();

__DATA__

=== a normal body, one that is too long, and one in several frames
--- client
my ($client) = @_;
equals(patched($client, '{"drain":true}'), '200', 'drained');
$client->ask('first', '/', []);
equals($client->answer('first')->{body}, 'B', 'new sessions go to the other server');
equals(patched($client, '{"drain":false}' . ' ' x 1010), '413', 'too long');
equals(patched($client, '{"drain":false}', ['content-length', '15']), '200', 'with its length');
equals(patched($client, ''), '400', 'without a body');
$client->ask('slow', $path, [], method => 'PATCH', body => '{"drain"', end => JSON::PP::false(),
    fields => [['content-type', 'application/json']]);
$client->say('slow', ':true', 0);
$client->say('slow', '}', 1);
equals($client->answer('slow')->{status}, '200', 'in three frames');
$client->ask('gone', $path, [], method => 'PATCH', body => '{"drain"', end => JSON::PP::false(),
    fields => [['content-type', 'application/json']]);
$client->reset('gone');
equals(patched($client, '{"drain":false}'), '200', 'a reset request has no effect');



=== the origin of the page, and other origins
--- client
my ($client, $protocol) = @_;
my $own = $protocol eq 'h2c' ? 'http' : 'https';
equals(patched($client, '{"drain":false}', ['origin', "$own://localhost"]), '200', 'its own origin');
equals(patched($client, '{"drain":false}', ['origin', $_]), '403', $_) for 'https://evil.test', 'null', "$own://localhost.evil.test";
equals(patched($client, '{"drain":false}', ['origin', 'http://localhost']), '403', 'without TLS') if $protocol ne 'h2c';
equals(patched($client, '{"drain":false}', ['sec-fetch-site', 'cross-site']), '403', 'another site');
