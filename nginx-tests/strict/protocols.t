# Strict sessions over FastCGI, uwsgi, SCGI and gRPC, as over HTTP: the client gets the server's own response, 504 for a
# timeout, and 502 for a refused connection; no other server is asked.
#
# lib/Protocols.pm describes the servers and the sections. Each protocol has further upstreams: in NAME_gone, the first
# server refuses connections; in NAME_both, two servers have the same ID. Server D refuses connections, N never answers.

use Sticky qw(Protocols);
use IO::Socket::INET;

worker_connections(1024);

@port{qw(D N)} = (1999, 1996);
my $never_answers = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port{N}, Listen => 1024, ReuseAddr => 1)
    or BAIL_OUT("cannot listen on port $port{N}: $@");

my $seconds = $ENV{TEST_NGINX_USE_VALGRIND} ? 5 : 1;
our %directive = (fastcgi => 'fastcgi', uwsgi => 'uwsgi', scgi => 'scgi', grpc => 'grpc', http => 'proxy');
our %letter = (fastcgi => 'F', uwsgi => 'U', scgi => 'S', grpc => 'G', http => 'H');
our @protocols = sort keys %directive;

# The address of the server as it appears in X-Tried.
sub at { my ($name) = @_; return "127.0.0.1:$port{$name}" }

sub asked {
    my ($path, $server) = @_;
    my $response = visit($path, defined $server ? 'route=' . id($server) : undef);
    return status($response) . ' of ' . head('X-Tried', $response);
}

# Timeouts, refused connections and refused requests are logged as errors.
add_block_preprocessor(sub { $_[0]->set_value(no_error_log => "[alert]\n[emerg]\n[crit]\n") });
protocol_sections();
client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my ($http, $locations) = ('', '');
    for my $protocol (@protocols) {
        my ($directive, $kind, $sticky) = ($directive{$protocol}, $letter{$protocol}, $block->sticky);
        my $next = "${directive}_next_upstream error timeout invalid_header http_500 http_503 http_404 http_429;";
        $http .= "upstream ${protocol}_gone { server 127.0.0.1:$port{D}; server 127.0.0.1:$port{$kind . 'B'}; session_sticky $sticky; }\n"
            . "upstream ${protocol}_late { zone late 1m; server 127.0.0.1:$port{N}; server 127.0.0.1:$port{$kind . 'B'}; session_sticky $sticky; }\n"
            . "upstream ${protocol}_both { server 127.0.0.1:$port{$kind . 'A'} id=both; server 127.0.0.1:$port{$kind . 'B'} id=both;"
            . " server 127.0.0.1:$port{D}; session_sticky hash=plain $sticky; }\n";
        for my $upstream ('', '_gone', '_late', '_both') {
            my $to = "$protocol$upstream";
            my $pass = $protocol eq 'http' ? "proxy_pass http://$to;" : $protocol eq 'grpc' ? "grpc_pass grpc://$to;"
                : "${directive}_pass $to; ${directive}_param REQUEST_METHOD \$request_method; ${directive}_param REQUEST_URI \$request_uri;";
            $locations .= "location /$to/ { $next ${directive}_read_timeout ${seconds}s; $pass }\n";
        }
    }
    $block->set_value(http_config => $http);
    $block->set_value(config => "add_header X-Tried \$upstream_addr always;\n$locations");
});

run_tests();

__DATA__

=== fallback=off
--- sticky: fallback=off
--- client
for my $protocol (@protocols) {
    my ($one, $two) = map { "$letter{$protocol}$_" } qw(A B);
    for (1 .. 2) {
        equals(asked("/$protocol/missing", $one), "404 of @{[at($one)]}", "$protocol: the client gets the server's 404");
        equals(asked("/$protocol/failing", $one), "503 of @{[at($one)]}", "$protocol: the client gets the server's 503");
        equals(asked("/$protocol/well", $one), "200 of @{[at($one)]}", "$protocol: the next request is served");
    }
    my $page = visit("/$protocol/failing", 'route=' . id($one));
    holds(body($page) =~ /\A$one /, "$protocol: the page is the server's own");
    equals(asked("/${protocol}_gone/", 'D'), "502 of @{[at('D')]}", "$protocol: 502 for a refused connection");
    holds(asked("/${protocol}_gone/", 'D') !~ /127/, "$protocol: the server is known not to accept connections");
    equals(asked("/${protocol}_gone/", $two), "200 of @{[at($two)]}", "$protocol: sessions of the other server are served");
    equals(asked("/${protocol}_late/", 'N'), "504 of @{[at('N')]}", "$protocol: 504 for a timeout");
    equals(asked("/${protocol}_late/", 'N'), "504 of @{[at('N')]}", "$protocol: the next request is not refused");
    my $both = join ', ', at($one), at($two);
    my $response = visit("/${protocol}_both/failing", 'route=both');
    equals(status($response) . ' of ' . head('X-Tried', $response), "503 of $both", "$protocol: each server of the ID is asked once");
}



=== fallback=unknown
--- sticky: fallback=unknown
--- client
for my $protocol (@protocols) {
    my ($one, $two) = map { "$letter{$protocol}$_" } qw(A B);
    equals(asked("/$protocol/failing", $one), "503 of @{[at($one)]}", "$protocol: the client gets the server's 503");
    equals(asked("/$protocol/well", $one), "200 of @{[at($one)]}", "$protocol: the next request is served");
    equals(asked("/${protocol}_late/", 'N'), "504 of @{[at('N')]}", "$protocol: 504 for a timeout");
    equals(asked("/${protocol}_gone/", 'D'), "502 of @{[at('D')]}", "$protocol: 502 for a refused connection");
    my $unknown = visit("/$protocol/", 'route=gone');
    equals(status($unknown), 200, "$protocol: an ID without a server is load-balanced");
}
