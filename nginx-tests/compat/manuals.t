# docs/migration.md: nginx loads every line that a reader is to write, without a [warn].
#
# The last column of the tables has one or several such lines; the first has one if the text says that the old line can stay, or
# if it begins with "sticky".

use Sticky qw(Keys);

key_file('sticky.keys', $key[0]);

our $manual = do {
    open my $file, '<:raw', in_project('docs/migration.md') or bail_out("docs/migration.md: $!");
    local $/;
    <$file>;
};

# Replaces names, addresses and files of examples. No requests are sent to the servers.
sub here { return $_[0] =~ s/\bapp[12](?:\.example\.com)?(?=:)/192.0.2.1/gr =~ s{key_file=(?=sticky)}{key_file=$keys/}gr }

# The text between backquotes in the tables that a reader is to write.
our @said = map { here($_) } map {
    my ($first, $last) = /^\| (.*?) \| (.*) \|$/;
    my @texts = defined $last ? $last : ();
    push @texts, $first if @texts && ($last =~ /^the same (?:line|words)/ || $first =~ /^`sticky[ ;]/);
    map { s/\\\|/|/gr } map { /`([^`]+)`/g } @texts;
} split /\n/, $manual;

# Complete examples of an http block.
our @examples = $manual =~ /^```nginx\n(.*?)^```$/msg;

# Directives of an upstream: session persistence, and servers.
our @sticky = grep { /^(?:session_sticky|sticky|sticky_cookie_insert)\b[^{]*;$/ && !/\.\.\./ && !/^sticky (?:route|learn)/ } @said;
our @servers = grep { /^server .*;$/ && !/\bresolve\b/ } @said;
# Texts of one or several parameters, of a server or of session persistence.
our $of_server = qr/^(?:id|weight|max_conns|max_fails|fail_timeout)=.|^(?:backup|down|drain)$/;
our $of_sticky = qr/^(?:cookie|domain|path|maxage|maxidle|maxlife|mode|option|fallback|rebind|hash|secure|samesite|attr)=.|^(?:secure|httponly)$/;
our @server_parameters = grep { !grep { !/$of_server/ } split } @said;
our @sticky_parameters = grep { !grep { !/$of_sticky/ } split } @said;
our @in_locations = grep { /^(?:session_sticky_hide_cookie|sticky_no_fallback|sticky_hide_cookie|proxy_(?!pass\b)\w+)\b.*;$/ } @said;
our @balancers = grep { /^(?:least_conn|hash|random)\b.*;$/ } @said;

my $number = 0;
sub upstream { my ($inside) = @_; $number++; return "upstream app$number { $inside }\n" }

our $two = 'server 192.0.2.1:8080; server 192.0.2.2:8080;';
# Routes need a server with an ID.
sub servers_of { my ($text) = @_; return $text =~ /jvmroute/ ? $two =~ s/8080/8080 id=a/r : $two }
# Some parameters need another one, which the manual has next to them.
our %needed = (qr/rebind/ => 'fallback=on', qr/samesite=none/ => 'secure', qr/hash=hmac/ => "key_file=$keys/sticky.keys");
sub needed { my ($text) = @_; return join ' ', map { $text =~ $_ ? $needed{$_} : () } keys %needed }

our $written = join '',
    (map { upstream("$_ " . servers_of($_)) } @sticky),
    (map { upstream("$_ session_sticky; $two") } @balancers),
    (map { upstream("$_ server 192.0.2.3:8080; session_sticky hash=plain;") } @servers),
    (map { upstream("server 192.0.2.1:8080 $_; server 192.0.2.2:8080; session_sticky hash=plain;") } @server_parameters),
    (map { upstream("session_sticky $_ " . needed($_) . "; $two") } @sticky_parameters),
    "map \$http_user_agent \$samesite { default none; }\n",
    "upstream app { session_sticky option=indirect; $two }\n",
    "server { listen 1983; ", (map { $number++; "location /$number { $_ proxy_pass http://app; } " } @in_locations), "}\n";

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(config => 'location / { return 200; }');
    $block->set_value(request => 'GET /');
    $block->set_value(no_error_log => "[warn]\n[alert]\n[crit]\n[emerg]\n");
});

add_response_body_check(sub {
    my ($block, undef, undef, undef, $dry_run) = @_;
    return if $dry_run || !defined $block->at_least;
    my %counts = split ' ', $block->at_least;
    for my $name (sort keys %counts) {
        no strict 'refs';
        my $count = @{$name};
        Test::More::ok($count >= $counts{$name}, "$name: $count of docs/migration.md");
    }
});

run_tests();

__DATA__

=== the lines of the tables
--- http_config eval: $::written
--- at_least: sticky 46 servers 7 server_parameters 8 sticky_parameters 25 in_locations 9 balancers 4



=== the example of the general rule
--- http_config eval: $::examples[0] =~ s/VALUE-OF-ITS-COOKIE/value/gr
--- at_least: examples 4



=== the example for HAProxy
--- http_config eval: $::examples[1]



=== the example for Apache
--- http_config eval: $::examples[2]



=== the example for Apache without a cookie of this module
--- http_config eval: $::examples[3]
